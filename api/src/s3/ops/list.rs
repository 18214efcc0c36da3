//! ListObjects, in its two versions.

use super::parameter::{self, MAX_PAGE};
use super::{Call, bucket};
use crate::port::{ListCursor, ListObjects, ObjectGateway};
use crate::s3::error::S3Error;
use crate::s3::reply::Reply;
use crate::s3::xml::{ListEcho, ListV1, ListV2, ShowOwner, list_v1, list_v2};

pub(super) async fn list_objects<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    let (echo, request) = parse(&call)?;
    let marker = call.query.get("marker").unwrap_or_default();
    let after = (!marker.is_empty()).then(|| ListCursor(marker.to_owned()));
    let page = call
        .service
        .gateway
        .list_objects(call.view, call.caller, ListObjects { after, ..request })
        .await?;
    Ok(Reply::xml(list_v1(&ListV1 { echo, marker }, &page)))
}

pub(super) async fn list_objects_v2<G: ObjectGateway>(
    call: Call<'_, G>,
) -> Result<Reply<G::ReadBody>, S3Error> {
    let query = call.query;
    if let Some(other) = query.get("list-type").filter(|version| *version != "2") {
        return Err(S3Error::invalid_argument(
            "list-type",
            other,
            "Invalid List Type specified in Request",
        ));
    }
    let (echo, request) = parse(&call)?;
    let start_after = query.non_empty("start-after");
    let token = query.get("continuation-token");
    let tokens = &call.service.config.token_key;
    // A token is good for the listing that it came from.
    let scope = [
        "objects",
        echo.bucket,
        echo.prefix,
        echo.delimiter.unwrap_or_default(),
    ];
    let after = match token {
        Some(token) => Some(
            tokens
                .open(&scope, token)
                .ok_or_else(|| bucket::wrong_token(token))?,
        ),
        None => start_after.map(str::to_owned),
    };
    let owners = if parameter::flag(query, "fetch-owner")? {
        ShowOwner::Yes
    } else {
        ShowOwner::No
    };
    let request = ListObjects {
        after: after.map(ListCursor),
        ..request
    };
    let page = call
        .service
        .gateway
        .list_objects(call.view, call.caller, request)
        .await?;
    let next = page.next.as_ref().map(|next| tokens.seal(&scope, &next.0));
    let list = ListV2 {
        echo,
        start_after,
        token,
        next_token: next.as_deref(),
        owners,
    };
    Ok(Reply::xml(list_v2(&list, &page)))
}

/// What both versions have in common.
fn parse<'r, G: ObjectGateway>(call: &Call<'r, G>) -> Result<(ListEcho<'r>, ListObjects), S3Error> {
    let query = call.query;
    let bucket = call.bucket()?;
    let echo = ListEcho {
        bucket: bucket.as_str(),
        prefix: query.get("prefix").unwrap_or_default(),
        delimiter: query.non_empty("delimiter"),
        max_keys: parameter::limit(query, "max-keys", MAX_PAGE)?,
        encoding: parameter::encoding(query)?,
    };
    let request = ListObjects {
        bucket: bucket.clone(),
        prefix: echo.prefix.to_owned(),
        delimiter: echo.delimiter.map(str::to_owned),
        after: None,
        limit: echo.max_keys,
    };
    Ok((echo, request))
}
