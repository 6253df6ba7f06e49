// The shop as it was built first: pgx 5.5.3 has CVE-2024-27304, an SQL injection.
module example.org/shop

go 1.26.3

toolchain go1.26.8

require github.com/jackc/pgx/v5 v5.5.3
