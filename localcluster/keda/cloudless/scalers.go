// Package scalers reads what is scaled by; this file has what the others take from one that was left out.
package scalers

const externalMetricType = "External"
