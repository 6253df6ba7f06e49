// Command spdx reads an SPDX 2.3 document with the SPDX project's own library:
// go run .ci/spdx.go FILE
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spdx/tools-golang/json"
)

func main() {
	if err := read(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "spdx:", err)
		os.Exit(1)
	}
}

func read(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: spdx FILE")
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	doc, err := json.Read(f)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", args[0], err)
	case doc.SPDXVersion == "" || doc.SPDXIdentifier == "" || doc.DocumentNamespace == "" || len(doc.Packages) == 0:
		return fmt.Errorf("%s: a field that every document has is missing", args[0])
	}
	return nil
}
