// Package eventemitter tells others of events; this file stands for the handler of a cloud's event grid.
package eventemitter

import "errors"

func NewAzureEventGridTopicHandler(...any) (EventDataHandler, error) {
	return nil, errors.New("this build of KEDA has no handler of Azure Event Grid")
}
