package secretpath

import "testing"

func TestOut(t *testing.T) {
	for path, want := range map[string]bool{
		"app/.git/config": false, "app/README.md": false, "app/tests/fixture.yaml": false, "app/example.env": false,
		"app/package-lock.json": false, "test/app.py": false, "srv/locale.txt": false, "root/.npmrc": false, "app/go.sum": false,
		"usr/local/bin/start.sh": false, "usr/src/app/config/test.js": false, "etc/app.conf": false, "app/my_node_modules/a.js": false,
		"usr/share/doc/x/README": true, "usr/lib/python3/x.py": true, "app/node_modules/a/b.js": true, "node_modules/a": true,
		"app/venv/lib/python3.12/site-packages/a.py": true, "app/vendor/a/b.php": true, "app/logo.PNG": true, "app/x-1.dist-info/METADATA": true,
	} {
		if got := Out(path); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}
