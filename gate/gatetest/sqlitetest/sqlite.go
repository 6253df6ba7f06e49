// Package sqlitetest writes SQLite databases for tests.
package sqlitetest

import (
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Write makes a database file from statements.
func Write(file string, statements []string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			db.Close()
			return fmt.Errorf("%s: %q: %w", file, s, err)
		}
	}
	return db.Close()
}
