package main

import (
	"fmt"
	"os"
	"strings"
)

// mark is the text before and after a table in a document.
func mark(name string) (begin, end string) {
	return "<!-- bench:begin " + name + " -->\n", "<!-- bench:end -->"
}

// place puts a table between its marks.
func place(document, name, table string) (string, error) {
	begin, end := mark(name)
	head, rest, ok := strings.Cut(document, begin)
	if !ok {
		return "", fmt.Errorf("no line %q", strings.TrimSpace(begin))
	}
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("no line %q after %q", end, strings.TrimSpace(begin))
	}
	return head + begin + "\n" + strings.TrimRight(table, "\n") + "\n\n" + end + tail, nil
}

// writeDocument puts all tables into the document at path.
func writeDocument(path string, tables map[string]string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	document := string(raw)
	for _, name := range sortedKeys(tables) {
		if document, err = place(document, name, tables[name]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.WriteFile(path, []byte(document), 0o644)
}
