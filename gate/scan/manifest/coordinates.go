package manifest

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Coordinates are what Maven knows an artifact by.
type Coordinates struct{ Group, Artifact, Version string }

// Complete reports whether all three are there.
func (c Coordinates) Complete() bool { return c.Group != "" && c.Artifact != "" && c.Version != "" }

// ReadPomProperties reads the pom.properties that Maven puts into a jar. The
// coordinates are empty where the file does not give them.
func ReadPomProperties(data []byte) (Coordinates, error) {
	p, err := ReadProperties(data)
	if err != nil {
		return Coordinates{}, err
	}
	c := Coordinates{strings.TrimSpace(p["groupId"]), strings.TrimSpace(p["artifactId"]), strings.TrimSpace(p["version"])}
	return c, c.check()
}

// check refuses coordinates that no artifact can have, and that would therefore
// match no advisory.
func (c Coordinates) check() error {
	for _, part := range []string{c.Group, c.Artifact, c.Version} {
		if strings.ContainsFunc(part, func(r rune) bool { return odd(r) || r == ':' }) {
			return fmt.Errorf("no artifact can be called %.100q", c.Group+":"+c.Artifact+":"+c.Version)
		}
	}
	return nil
}

var errPlaceholder = errors.New("it has a placeholder instead of a value")

// ReadPom reads the coordinates in a pom.xml. The group and the version may be those
// of the parent.
func ReadPom(r io.Reader) (Coordinates, error) {
	var pom struct {
		XMLName xml.Name `xml:"project"`
		Group   string   `xml:"groupId"`
		Name    string   `xml:"artifactId"`
		Version string   `xml:"version"`
		Parent  struct {
			Group   string `xml:"groupId"`
			Version string `xml:"version"`
		} `xml:"parent"`
	}
	if err := xml.NewDecoder(r).Decode(&pom); err != nil {
		return Coordinates{}, err
	}
	c := Coordinates{strings.TrimSpace(pom.Group), strings.TrimSpace(pom.Name), strings.TrimSpace(pom.Version)}
	c.Group = cmp.Or(c.Group, strings.TrimSpace(pom.Parent.Group))
	if c.Version == "" {
		c.Version = strings.TrimSpace(pom.Parent.Version)
	}
	if strings.Contains(c.Group+c.Artifact+c.Version, "${") {
		return Coordinates{}, errPlaceholder
	}
	return c, c.check()
}
