// Command schema validates a JSON document: go run .ci/schema.go [-each] SCHEMA FILE
// With -each the document is a list, and the schema is that of its elements.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	each := flag.Bool("each", false, "the document is a list of what the schema describes")
	flag.Parse()
	if err := validate(*each, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func validate(each bool, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: schema [-each] SCHEMA FILE")
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(args[0])
	if err != nil {
		return err
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	if !each {
		return schema.Validate(doc)
	}
	list, ok := doc.([]any)
	if !ok {
		return fmt.Errorf("%s is not a list", args[1])
	}
	for _, element := range list {
		if err := schema.Validate(element); err != nil {
			return err
		}
	}
	return nil
}
