module gifinator

go 1.24
