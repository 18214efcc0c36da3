//! Pure functions over a view of the tables.
