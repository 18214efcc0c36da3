//! `buckets` and `users`: who may do what.

use super::{ANY_COUNT, Form, Key};

pub(super) const BUCKET: &[Key] = &[
    Key::new("name", Form::Text, "Name of the bucket, by the rules of S3.").required(),
    Key::new(
        "credentials",
        Form::Sections(CREDENTIAL),
        "Keys that may do everything with the objects of this bucket, and nothing else.",
    ),
    Key::new(
        "max_multipart_uploads",
        ANY_COUNT,
        "Most multipart uploads at a time, 0 for no limit.",
    )
    .not_built(&["0"], "uploads are not limited yet"),
];

const CREDENTIAL: &[Key] = &[
    Key::new("access_key_id", Form::Text, "Access key, unique in the file.")
        .aliases(&["access_key"])
        .required(),
    Key::new("secret_access_key", Form::Secret, "Its secret.")
        .aliases(&["secret_key"])
        .required(),
    Key::new("token", Form::Secret, "A token for the X-Proxy-Token header.")
        .not_built(&[], "requests are authenticated by signatures only"),
];

pub(super) const USER: &[Key] = &[
    Key::new(
        "name",
        Form::Text,
        "Name of the user in logs and as owner. The access key when left out.",
    ),
    Key::new("access_key_id", Form::Text, "Access key, unique in the file.")
        .aliases(&["access_key"])
        .required(),
    Key::new("secret_access_key", Form::Secret, "Its secret.")
        .aliases(&["secret_key"])
        .required(),
    Key::new(
        "allowed_buckets",
        Form::Texts,
        "Buckets that the user may use, whoever owns them, upper and lower case alike; `*` stands for all.",
    ),
    Key::new(
        "create_buckets",
        Form::Flag,
        "Whether the user may create buckets. It owns what it creates, and deletes no other. True for a user with `*`, else false, unless given.",
    ),
];
