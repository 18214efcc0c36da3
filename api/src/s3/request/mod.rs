//! What a request asks for, read once and strictly.
//!
//! [`guard`] refuses what is ambiguous or too large, [`Target`] is the one parse of host and path into
//! bucket and key, [`route`] the one decision which operation is meant, [`Headers`] the one view of the
//! headers that change meaning. Operations see nothing else of a request.

mod conditions;
mod guard;
mod headers;
mod metadata;
mod policy;
mod query;
mod range;
mod rfc2047;
mod route;
mod target;

pub(crate) use conditions::{read_conditions, refuse_conditions, write_conditions};
pub(crate) use guard::guard;
pub(crate) use headers::Headers;
pub(crate) use metadata::{Overrides, metadata, write_metadata};
pub(crate) use policy::check_amz_headers;
pub(crate) use query::Query;
pub(crate) use range::{ContentRange, RangeSpec};
pub(crate) use route::route;
pub(crate) use target::{Target, host};
