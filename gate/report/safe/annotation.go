package safe

import "strings"

// Annotation encodes s as the message of a GitHub workflow command. Line breaks
// stay line breaks for the reader (%0A); every line is encoded as by
// [Terminal], so that what the runner decodes is no command either.
func Annotation(s string) string {
	return strings.ReplaceAll(strings.Join(Lines(strings.ReplaceAll(s, "%", "%25")), "%0A"), "\r", "%0D")
}

// Property encodes s as a property value of a GitHub workflow command, where a
// colon or a comma would end it.
func Property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(Terminal(s))
}
