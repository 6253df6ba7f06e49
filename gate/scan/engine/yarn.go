//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"archive/zip"
	"fmt"
	"io"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/manifest"
	"github.com/imagegate/imagegate/gate/scan/wire"
)

const (
	// maxBundled is how many packages are read in one archive of Yarn. An archive
	// holds one package, with what that package bundles.
	maxBundled = 10_000
	// maxPackageJSON is the size up to which a package.json in an archive is read.
	maxPackageJSON = 4 << 20
)

// yarnArchive reads the packages in an archive of Yarn's cache. Trivy does not open
// these archives, and an image that is built for Plug'n'Play has no other copy of its
// packages.
func (l *layer) yarnArchive(e *wire.Entry, c content) {
	packages, err := l.packagesIn(e, c)
	if err != nil {
		l.jarError(e.Name, err)
		return
	}
	if len(packages) > 0 {
		l.main.byName[e.Name].npm = npmResult(e.Name, packages...)
	}
}

func (l *layer) packagesIn(e *wire.Entry, c content) ([]ftypes.Package, error) {
	f, err := c.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := zip.NewReader(f, e.Size)
	if err != nil {
		return nil, err
	}
	var out []ftypes.Package
	for _, entry := range z.File {
		if _, ok := manifest.NPMPlace(entry.Name); !ok {
			continue
		}
		if len(out) == maxBundled {
			return nil, fmt.Errorf("it holds more than %d packages", maxBundled)
		}
		data, err := unzip(entry)
		if p, ok := l.npmPackage(e.Name+"/"+entry.Name, data, err); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// unzip returns the content of a small file in an archive.
func unzip(entry *zip.File) ([]byte, error) {
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(io.LimitReader(r, maxPackageJSON+1))
	if err == nil && len(data) > maxPackageJSON {
		err = fmt.Errorf("it has more than %d bytes", maxPackageJSON)
	}
	return data, err
}
