package manifest

import (
	"bytes"
	"encoding/json"
	"strings"
)

var byteOrderMark = []byte("\ufeff")

// InTrivysForm returns the content of a metadata file in the form that Trivy
// reads, where the program that owns the file reads more forms. Of all other files it
// returns the content as it is.
func InTrivysForm(file string, data []byte) []byte {
	base := file[strings.LastIndexByte(file, '/')+1:]
	switch {
	case strings.HasSuffix(base, ".deps.json"):
		return bytes.TrimPrefix(data, byteOrderMark) // the host of .NET skips it
	case base == installedJSON && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("[")):
		// Composer 1 wrote the list that is called "packages" since version 2. A text
		// that is no JSON stays as it is: with something around it, [...],"packages":[]
		// would become JSON.
		if !json.Valid(data) {
			return data
		}
		return bytes.Join([][]byte{[]byte(`{"packages":`), data, []byte("}")}, nil)
	}
	return data
}
