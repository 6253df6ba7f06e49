package yamldoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf16"
)

// surrogates is a character beyond the first 65,536 as JSON escapes it.
var surrogates = regexp.MustCompile(`^\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

const byteOrderMark = "\xef\xbb\xbf"

// JSON returns a JSON document with the escapes that the YAML reader does not know, \/ and
// pairs of surrogates, as YAML has them. Blanks behind the text keep what follows at its
// place. Everything else is returned as it is.
func JSON(data []byte) []byte {
	if !bytes.Contains(data, []byte(`\/`)) && !bytes.Contains(data, []byte(`\ud`)) && !bytes.Contains(data, []byte(`\uD`)) {
		return data
	}
	if !json.Valid(bytes.TrimPrefix(data, []byte(byteOrderMark))) {
		return data
	}
	out := make([]byte, 0, len(data))
	inside, missing := false, 0
	for i := 0; i < len(data); i++ {
		c := data[i]
		switch {
		case c == '"':
			out = append(out, c)
			if inside {
				out = append(out, bytes.Repeat([]byte(" "), missing)...)
			}
			inside, missing = !inside, 0
		case !inside || c != '\\':
			out = append(out, c)
		case data[i+1] == '/':
			out = append(out, '/')
			i, missing = i+1, missing+1
		case surrogates.Match(data[i:min(i+12, len(data))]):
			out = fmt.Appendf(out, `\U%08x`, utf16.DecodeRune(unit(data[i+2:i+6]), unit(data[i+8:i+12])))
			i, missing = i+11, missing+2
		default:
			out = append(out, c, data[i+1])
			i++
		}
	}
	return out
}

// unit reads four hexadecimal digits.
func unit(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits), 16, 16) // surrogates has matched them
	return rune(n)
}
