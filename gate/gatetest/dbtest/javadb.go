package dbtest

import (
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver that Trivy's Java database needs

	"github.com/imagegate/imagegate/gate/gatetest/sqlitetest"
)

// javaSchema is what trivy-java-db creates, statement by statement.
func javaSchema() []string {
	return []string{
		"CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT)",
		"CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT, foreign key (artifact_id) references artifacts(id))",
		"CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id)",
		"CREATE INDEX indices_artifact_idx ON indices(artifact_id)",
		"CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1)",
	}
}

// writeJavaDatabase writes a Java database without rows. Jars that carry their
// own pom.properties are identified without it, but Trivy refuses every jar
// when there is no database at all.
func writeJavaDatabase(dir string, o DBOptions) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, "trivy-java.db")
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := sqlitetest.Write(file, javaSchema()); err != nil {
		return err
	}
	return writeMetadata(filepath.Join(dir, metadataFile), 1, 3*24*time.Hour, o)
}
