//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"bytes"
	"fmt"
	"path"

	"github.com/aquasecurity/trivy/pkg/dependency"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/nodejs/packagejson"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
	"github.com/imagegate/imagegate/policy/evidence"
)

const packageJSON = "package.json"

// onlyUs are the analyzers that do not see a package.json: it is read by npm.
var onlyUs = []analyzer.Type{analyzer.TypeNodePkg}

// npm reads a package.json as npm does, which Trivy's analyzer does not. Only
// where a package has to be is it a gap that none can be read: packages come with
// many files of this name that describe no package, and with broken ones for
// their tests.
func (l *layer) npm(e *wire.Entry, c content) {
	data, err := c.bytes, error(nil)
	if data == nil {
		err = fmt.Errorf("it has %d bytes", e.Size)
	}
	if found, ok := l.npmPackage(e.Name, e.Name, data, err); ok {
		l.main.byName[e.Name].own = &analyzer.AnalysisResult{Applications: []ftypes.Application{{Type: ftypes.NodePkg, FilePath: e.Name, Packages: ftypes.Packages{found}}}}
	}
}

// npmPackage returns the package that a package.json describes. ok is false when it
// describes none, or could not be read because of err or its content. in is the file of
// the layer: file itself, or the archive that has it.
func (l *layer) npmPackage(in, file string, data []byte, err error) (p ftypes.Package, ok bool) {
	var found manifest.NPM
	if err == nil {
		found, err = manifest.ReadNPM(data)
	}
	if err == nil && found.Name != "" && !manifest.ValidNPMName(found.Name) {
		err = fmt.Errorf("no package can be called %.100q", found.Name)
	}
	if err != nil {
		l.unreadable(in, file, err)
		return p, false
	}
	place, must := manifest.NPMPlace(file)
	if found.Name == "" && manifest.ValidNPMName(place) {
		found.Name = place // Node.js loads it by the name of its directory
	}
	if found.Name == "" || found.Version == "" {
		if must {
			l.skipped = append(l.skipped, file)
		}
		if must && found.Name != "" {
			l.addUnversioned(in, file, found.Name)
		}
		return p, false // an application's own, or none
	}
	return ftypes.Package{
		ID: dependency.ID(ftypes.NodePkg, found.Name, found.Version), Name: found.Name, Version: found.Version,
		Licenses: npmLicenses(found.License), FilePath: file, AnalyzedBy: analyzer.TypeNodePkg,
	}, true
}

// addUnversioned adds a gap for a package without a version, as teams have for their own.
// The gap counts only if there are advisories for a package of the name: npm installs no
// such package without a version, and Node.js loads it all the same.
func (l *layer) addUnversioned(in, file, name string) {
	l.unversioned = append(l.unversioned, wire.Gap{File: in, Gap: evidence.Gap{
		Kind: evidence.GapScannerErrors, Subject: name, Path: file, Package: name, Layer: l.diffID,
		Detail: fmt.Sprintf("the npm package %s was compared with no advisory: %s does not say its version", name, file),
		Cure:   "install the package again, or delete " + path.Dir(file),
	}})
}

// npmLicenses has Trivy read the licences, whose form has changed over time.
func npmLicenses(license []byte) []string {
	if license == nil {
		return nil
	}
	p, err := packagejson.NewParser().Parse(bytes.NewReader(fmt.Appendf(nil, `{"license":%s}`, license)))
	if err != nil {
		return nil
	}
	return p.Licenses
}

// unreadable adds a gap for a package.json that cannot be read. See npmPackage for in.
func (l *layer) unreadable(in, file string, err error) {
	name, must := manifest.NPMPlace(file)
	if !must {
		l.skipped = append(l.skipped, file)
		return
	}
	l.gap(in, evidence.Gap{
		Kind: evidence.GapScannerErrors, Subject: file, Path: file, Package: name,
		Detail: fmt.Sprintf("the npm package %s cannot be read: %v", name, err),
		Cure:   "install the package again, or delete " + path.Dir(file),
	})
}
