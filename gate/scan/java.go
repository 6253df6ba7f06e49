package scan

import (
	"context"
	"path"
	"strings"
	"sync"

	"github.com/imagegate/imagegate/gate/scan/database"
	"github.com/imagegate/imagegate/policy/evidence"
)

// javaDatabase is obtained once per run, when the first jar is seen: it is
// large, and most images have none.
type javaDatabase struct {
	once  sync.Once
	facts *evidence.Database
	err   error
}

// isJar reports whether only Trivy's Java analyzer can read a file; the
// endings are those of trivy pkg/fanal/analyzer/language/java/jar.
func isJar(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jar", ".war", ".ear", ".par":
		return true
	}
	return false
}

func (f *feed) wantsJava() bool { return f.need.Has(evidence.NeedJava) }

// javaDatabase reports whether the Java database is in place, and gets it if
// nobody has tried yet. A failure is kept for the coverage of this image.
func (f *feed) javaDatabase(ctx context.Context) bool {
	s := f.scanner
	s.java.once.Do(func() {
		if _, s.java.err = s.opt.Databases.Ensure(ctx, database.Java, s.opt.Offline, 0); s.java.err != nil {
			return
		}
		s.java.facts, s.java.err = s.opt.Databases.Snapshot(ctx, database.Java, s.cacheDir)
	})
	f.javaErr = s.java.err
	return s.java.err == nil
}
