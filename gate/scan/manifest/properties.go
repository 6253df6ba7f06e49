package manifest

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
)

// ReadProperties reads a .properties file as java.util.Properties does. Trivy knows
// "key=value" only. A key also ends at ":" or white space, lines end in LF, CR or
// both, a backslash continues a line or begins an escape, and of two equal keys the
// last one counts.
//
// github.com/magiconair/properties is not used: it joins neither lines that end in
// CRLF nor lines that end within a key.
func ReadProperties(data []byte) (map[string]string, error) {
	found := map[string]string{}
	for _, line := range logicalLines(data) {
		key, value := splitProperty(line.text)
		k, err := unescape(key)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line.number, err)
		}
		v, err := unescape(value)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line.number, err)
		}
		found[k] = v
	}
	return found, nil
}

// propertyLine is a line with those that continue it.
type propertyLine struct {
	number int // of its first line
	text   []byte
}

// logicalLines joins lines and drops comments, blank lines and white space at the
// beginnings of lines.
func logicalLines(data []byte) []propertyLine {
	var lines []propertyLine
	var line propertyLine
	for number := 1; len(data) > 0; number++ {
		var text []byte
		text, data = cutLine(data)
		for len(text) > 0 && isPropertySpace(text[0]) {
			text = text[1:]
		}
		switch {
		case len(line.text) > 0:
		case len(text) == 0 || text[0] == '#' || text[0] == '!':
			continue
		default:
			line.number = number
		}
		body, more := continued(text)
		if line.text = append(line.text, body...); more && len(data) > 0 {
			continue
		}
		if len(line.text) > 0 {
			lines = append(lines, line)
		}
		line = propertyLine{}
	}
	if len(line.text) > 0 {
		lines = append(lines, line)
	}
	return lines
}

// continued reports whether the next line continues text: it ends in an odd number
// of backslashes, the last of which is not part of it.
func continued(text []byte) ([]byte, bool) {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	if (len(text)-n)%2 == 1 {
		return text[:len(text)-1], true
	}
	return text, false
}

// splitProperty splits a line into key and value, both with their escapes.
func splitProperty(line []byte) (key, value []byte) {
	n, escaped := 0, false
	for ; n < len(line); n++ {
		c := line[n]
		if !escaped && (isPropertySpace(c) || c == '=' || c == ':') {
			break
		}
		escaped = c == '\\' && !escaped
	}
	key, value = line[:n], line[n:]
	for separated := false; len(value) > 0; value = value[1:] {
		switch c := value[0]; {
		case isPropertySpace(c):
		case !separated && (c == '=' || c == ':'):
			separated = true
		default:
			return key, value
		}
	}
	return key, nil
}

func isPropertySpace(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

var errEscape = errors.New(`\u is not followed by four hexadecimal digits`)

// unescape resolves escapes. The file is in Latin-1.
func unescape(text []byte) (string, error) {
	units := make([]uint16, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' || i+1 == len(text) {
			units = append(units, uint16(c))
			continue
		}
		i++
		switch c = text[i]; c {
		case 'u':
			if i+4 >= len(text) {
				return "", errEscape
			}
			unit, err := strconv.ParseUint(string(text[i+1:i+5]), 16, 16)
			if err != nil {
				return "", errEscape
			}
			units, i = append(units, uint16(unit)), i+4
		case 't':
			units = append(units, '\t')
		case 'r':
			units = append(units, '\r')
		case 'n':
			units = append(units, '\n')
		case 'f':
			units = append(units, '\f')
		default:
			units = append(units, uint16(c))
		}
	}
	return string(utf16.Decode(units)), nil
}
