//go:build goexperiment.jsonv2 && !go1.27

package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/imagegate/imagegate/gate/scan/wire"
)

// logged is what the worker notes of one message of Trivy's.
func logged(t *testing.T, message string, attrs ...slog.Attr) wire.Log {
	t.Helper()
	l := new(logs)
	r := slog.NewRecord(time.Time{}, slog.LevelWarn, message, 0)
	r.AddAttrs(attrs...)
	if err := (&logHandler{logs: l}).Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	records := l.take(noFile)
	if len(records) != 1 {
		t.Fatalf("%d messages", len(records))
	}
	return records[0]
}

// A message names the file that it is about, and what is wrong with it.
func TestLogNamesTheFile(t *testing.T) {
	file := slog.String("file_path", "a/x.dist-info/METADATA")
	for _, test := range []struct {
		log         wire.Log
		file, cause string
	}{
		{logged(t, walkError, file, slog.Any("err", errors.New("parse error: failed to parse a/x.dist-info/METADATA: name or version is empty"))), "a/x.dist-info/METADATA", "name or version is empty"},
		{logged(t, analysisError, slog.Any("err", errors.New("failed to parse app/a: failed to parse app/a: cut off: here"))), "app/a", "cut off: here"},
		{logged(t, walkError, slog.String("file_path", "app/x.jar"), slog.Any("err", errors.New("failed to parse app/x.jar: unable to parse app/x.jar: no zip"))), "app/x.jar", "no zip"},
		{logged(t, analysisError, slog.Any("err", errors.New("something"))), "", "something"},
	} {
		if test.log.File != test.file || test.log.Cause != test.cause {
			t.Errorf("got %+v, want %q, %q", test.log, test.file, test.cause)
		}
	}
}

// The two forms of one error are one message: encoding/json/v2 chooses its words anew in
// every process.
func TestLogHasTheSameWordsInEveryProcess(t *testing.T) {
	about := func(verb string) wire.Log {
		return logged(t, analysisError, slog.Any("err", errors.New("failed to parse app/installed.json: json: "+verb+" unmarshal JSON number into Go string")))
	}
	one, other := about("cannot"), about("unable to")
	if one != other || one.File != "app/installed.json" || !strings.Contains(one.Cause, "JSON number") {
		t.Errorf("%+v\n%+v", one, other)
	}
}

// A version that cannot be compared is told with its packages.
func TestVersionGaps(t *testing.T) {
	detail := &ftypes.ArtifactDetail{Applications: []ftypes.Application{{Type: ftypes.NodePkg, Packages: ftypes.Packages{
		{Name: "tar", Version: "v4.4.1", FilePath: "a/package.json"}, {Name: "other", Version: "1.0.0"}, {Name: "tar", Version: "v4.4.1", FilePath: "b/package.json"},
	}}}}
	about := func(version string) wire.Log {
		return logged(t, versionMismatch, slog.Any("err", errors.New("npm version error ("+version+"): invalid semantic version")))
	}
	gaps, rest := versionGaps([]wire.Log{about("v4.4.1"), about("9"), {Message: "other"}}, detail)
	if len(gaps) != 2 || gaps[0].Package != "tar v4.4.1" || gaps[0].Path != "a/package.json" || gaps[1].Path != "b/package.json" {
		t.Errorf("gaps %+v", gaps)
	}
	if len(rest) != 2 {
		t.Errorf("left %+v", rest)
	}
}
