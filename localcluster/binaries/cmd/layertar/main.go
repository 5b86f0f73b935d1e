// Command layertar writes the tar of one image layer as it was when its digest was computed.
//
// Container storage keeps a layer as a folder beside a record of the tar's headers and order. A
// builder only exports whole images; with single layers an unchanged one never travels again.
package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"

	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: layertar RECORD.tar-split.gz FOLDER > LAYER.tar")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "layertar:", err)
		os.Exit(1)
	}
}

func write(record, folder string, out io.Writer) error {
	file, err := os.Open(record)
	if err != nil {
		return err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	return asm.WriteOutputTarStream(storage.NewPathFileGetter(folder), storage.NewJSONUnpacker(unpacked), out)
}
