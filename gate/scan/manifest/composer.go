package manifest

import (
	"encoding/json"
	"regexp"
	"strings"
)

// composerPlain and composerNormal are a version of numbers only, as written and as
// Composer compares it.
var (
	composerPlain  = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+){0,3}$`)
	composerNormal = regexp.MustCompile(`^[0-9]+(\.[0-9]+){3}$`)
)

// ReadComposer reads Composer's vendor/composer/installed.json, a list in version 1
// and an object in version 2. Trivy keeps only the first entry of each name, and
// does not look at the version that Composer compares.
func ReadComposer(data []byte) ([]Package, error) {
	var document any // a struct would take "NAME" for "name"
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	if v2, ok := document.(map[string]any); ok {
		document = v2["packages"]
	}
	entries, _ := document.([]any)
	var found []Package
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		name, _ := fields["name"].(string)
		version, _ := fields["version"].(string)
		p := Package{strings.ToLower(name), version}
		if err := p.check(); err != nil {
			return nil, err
		}
		found = append(found, p)
		compared, _ := fields["version_normalized"].(string)
		if composerNormal.MatchString(compared) && (!composerPlain.MatchString(version) || normalized(version) != compared) {
			found = append(found, Package{p.Name, strings.TrimSuffix(compared, ".0")})
		}
	}
	return found, nil
}

// normalized is a version of numbers in the form that Composer compares.
func normalized(version string) string {
	version = strings.TrimPrefix(version, "v")
	for strings.Count(version, ".") < 3 {
		version += ".0"
	}
	return version
}
