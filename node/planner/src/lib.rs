//! Pure decisions: placement, read order, garbage, sweeps.
