package secretpath

import "testing"

func TestOut(t *testing.T) {
	for path, want := range map[string]bool{
		"app/.git/config": false, "app/README.md": false, "app/tests/fixture.yaml": false, "app/example.env": false,
		"app/package-lock.json": false, "test/app.py": false, "srv/locale.txt": false, "root/.npmrc": false, "app/go.sum": false,
		"usr/local/bin/start.sh": false, "usr/src/app/config/test.js": false, "etc/app.conf": false, "app/my_node_modules/a.js": false,
		"usr/share/doc/x/README": true, "usr/lib/python3/x.py": true, "app/node_modules/a/b.js": true, "node_modules/a": true,
		"app/venv/lib/python3.12/site-packages/a.py": true, "app/vendor/a/b.php": true, "app/logo.PNG": true, "app/x-1.dist-info/METADATA": true,
		"etc/ssl/private/ssl-cert-snakeoil.key": true, "etc/ssl/private/shop.key": false, "app/etc/ssl/private/ssl-cert-snakeoil.key": false,
		"usr/local/lib/python3.12/test/certdata/keycert.pem": true, "opt/conda/lib/python3.9/test/keycert.pem": true,
		"usr/local/lib/erlang/lib/inets-8.2.2/examples/server_root/ssl/ssl_server.pem": true, "usr/local/lib/erlang/lib/shop-1.0.0/priv/key.pem": false, "app/lib/shop-1.0.0/examples/key.pem": false,
		"root/.pyenv/versions/2.7.18/lib/python2.7/test/keycert.pem": true, "opt/pypy/lib/pypy3.10/test/keycert.pem": true, "usr/local/lib/python3.14t/test/keycert.pem": true, "app/python2/test/key.pem": false,
		"app/test/keycert.pem": false, "app/python3.12/key.pem": false, "app/python3/test/key.pem": false, "app/python3.x/test/key.pem": false,
		"go/pkg/mod/golang.org/x/net@v0.50.0/http2/testdata/key.pem": true, "root/go/pkg/mod/github.com/!burnt/toml@v1.0.0/x": true,
		"usr/local/cargo/registry/src/index.crates.io-1949cf8c6b5b557f/rustls-0.23.35/tests/key.pem": true,
		"app/registry/src/shop-1/key.pem": false, "app/registry/src/index.crates.io-1949cf8c6b5b557f": false, "app/registry/src/-1949cf8c6b5b557f/key.pem": false, "registry/src/tests/key.pem": false,
		"app/pkg/mod/key.pem": false, "app/pkg/mod/net@v1": false, "app/mod/net@v1.0.0/key.pem": false, "pkg/mod/cache/key.pem": false,
		"usr/share/nginx/html/config.js": false, "usr/share/caddy/.env": false, "usr/share/nginx/html/vendor/x.js": true, "usr/share/nginx/x": true,
		"usr/src/wordpress/wp-config.php": false, "usr/src/wordpress/wp-load.php": true, "app/locale/en.json": false, "app/locales/en/x.txt": false,
		"app/test/python3.12": false, "app/python3.12/tests/key.pem": false,
	} {
		if got := Out(path); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}
