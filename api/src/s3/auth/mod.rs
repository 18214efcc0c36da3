//! Who signed a request: AWS Signature Version 4, by header and by presigned query.
