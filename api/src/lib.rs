//! What is said to the outside: the S3 front end. Translation only, no policy, no storage.
