"""Bad, odd and hostile files, made on the spot: for the tests and for the torture folder."""
