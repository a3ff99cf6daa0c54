//! End-to-end tests: the real program over HTTP.
