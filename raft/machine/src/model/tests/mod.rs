//! The machine against the model, in random histories and in some that were thought out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod action;
mod answers;
mod choice;
mod cluster;
mod combined;
mod copies;
mod coverage;
mod dice;
mod ending;
mod history;
mod objects;
mod written;

use proptest::collection::SizeRange;
use proptest::prelude::*;
use proptest::strategy::Union;

use action::{ACTIONS, Action};
use dice::{Dice, WORDS};
use history::History;

/// What happens, the choices in it, and those of what is asked afterwards.
type Step = (Action, [u64; WORDS], [u64; WORDS]);

fn step() -> impl Strategy<Value = Step> {
    let actions = ACTIONS.map(|(weight, action)| (weight, Just(action).boxed()));
    (
        Union::new_weighted(actions.to_vec()),
        any::<[u64; WORDS]>(),
        any::<[u64; WORDS]>(),
    )
}

fn steps(number: impl Into<SizeRange>) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), number)
}

/// Lives a history through, without its end.
fn live(steps: Vec<Step>) -> History {
    let mut history = History::new();
    for (action, dice, asking) in steps {
        history.act(action, Dice::new(dice), Dice::new(asking));
    }
    history
}

/// `PROPTEST_CASES` says how many histories; without it as many as fit into some seconds.
fn config(cases: u32) -> ProptestConfig {
    // Histories shrink well, and a short one is worth the wait.
    let config = ProptestConfig {
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases, ..config },
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn the_machine_does_and_answers_what_the_model_does(
        steps in steps(1..90), cut in any::<[u64; WORDS]>(),
    ) {
        let mut history = live(steps);
        history.end();
        history.replay(&mut Dice::new(cut));
    }
}
