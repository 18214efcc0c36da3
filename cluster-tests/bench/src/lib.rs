//! The load generator and side-by-side benchmarks behind make bench.
