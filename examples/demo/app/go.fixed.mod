// The same shop, repaired: only the version differs.
module example.org/shop

go 1.26.3

toolchain go1.26.8

require github.com/jackc/pgx/v5 v5.9.2
