//! What is put together of several commands.

use bytes::Bytes;
use raft_types::commands::{
    ActivateKey, AddReplica, ClearSuspect, Command, ExpireCompletions, MarkSuspect, ProveKey, PutBucketKey,
    RecordKeyring, RemoveReplica,
};
use raft_types::keys::Table;
use raft_types::{BackendId, KeyVersion};

use super::action::Action;
use super::dice::Dice;
use super::history::History;

impl History {
    /// An upload with some parts, one of them twice perhaps, and its completion.
    pub(super) fn upload_some_object(&mut self, dice: &mut Dice, asking: &mut Dice) {
        let Some(place) = self.some_sender(dice) else {
            return;
        };
        let session = self.senders[place].id;
        let Some(Command::CreateUpload(create)) = self.object_command(Action::CreateUpload, session, dice)
        else {
            return;
        };
        let target = create.target.clone();
        self.send_now(place, Command::CreateUpload(create), asking);
        for _ in 0..2 + dice.below(3) {
            if let Some(part) = self.some_part(session, target.clone(), dice) {
                self.send_now(place, Command::CommitPart(Box::new(part)), asking);
            }
        }
        if !dice.once_in(3)
            && let Some(complete) = self.complete_of(target, dice)
        {
            self.at.position += 1;
            self.deliver(place, Command::CompleteUpload(Box::new(complete)), dice, asking);
        }
    }

    /// A key is put, proved by everyone, written to the keyring and activated.
    pub(super) fn make_some_key(&mut self, dice: &mut Dice, asking: &mut Dice) {
        let Some(place) = self.some_sender(dice) else {
            return;
        };
        let bucket = self.some_bucket(dice);
        let newest = self
            .model
            .bucket_keys(Some(bucket))
            .last()
            .map_or(0, |(key, _)| key.version.0);
        let version = KeyVersion(newest + 1);
        let put = PutBucketKey {
            bucket,
            version,
            wrapped: Bytes::from_static(b"wrapped"),
            master: "m".to_owned(),
        };
        self.send_now(place, Command::PutBucketKey(put), asking);
        for prover in 0..self.senders.len() {
            if !dice.once_in(12) {
                self.send_now(prover, Command::ProveKey(ProveKey { bucket, version }), asking);
            }
        }
        if !dice.once_in(6) {
            let revision = self.model.revision(Table::Keys);
            let record = RecordKeyring {
                revision,
                backends: vec![BackendId(1)],
            };
            self.send_now(place, Command::RecordKeyring(record), asking);
        }
        self.send_now(
            place,
            Command::ActivateKey(ActivateKey { bucket, version }),
            asking,
        );
    }

    /// A present replica becomes suspect and is replaced on its own backend or on another.
    pub(super) fn replace_some_suspect(&mut self, dice: &mut Dice, asking: &mut Dice) {
        let Some(place) = self.some_sender(dice) else {
            return;
        };
        let Some((blob, address)) = self.some_address(dice) else {
            return;
        };
        self.send_now(place, Command::MarkSuspect(MarkSuspect { blob, address }), asking);
        let mut replica = self.some_replica(self.senders[place].id, dice);
        if !dice.once_in(3) {
            replica.backend = address.backend;
        }
        let stored = self.stored(blob);
        self.send_now(
            place,
            Command::AddReplica(AddReplica {
                blob,
                replica,
                stored,
            }),
            asking,
        );
        let next = match dice.below(3) {
            0 => Command::ClearSuspect(ClearSuspect { blob, address }),
            _ => Command::RemoveReplica(RemoveReplica {
                blob,
                address,
                keep: 1,
            }),
        };
        self.at.position += 1;
        self.deliver(place, next, dice, asking);
    }

    /// More numbers at once than one command forgets.
    pub(super) fn burst(&mut self, dice: &mut Dice, asking: &mut Dice) {
        let Some(place) = self.some_sender(dice) else {
            return;
        };
        for _ in 0..70 {
            let command = Command::ExpireCompletions(ExpireCompletions { limit: 0 });
            self.send_now(place, command, asking);
        }
    }
}
