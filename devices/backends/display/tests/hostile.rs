//! Whatever a client says, the server goes on, and the guest's screen is never waited for.

mod common;

use std::time::{Duration, Instant};

use common::{hostile, is_well, server};
use proptest::prelude::*;

/// A message as the protocol has it, but for one thing or another.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![Just(0u8), Just(2), Just(3), Just(4), Just(5), Just(6), Just(255), any::<u8>()];
    (kind, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(kind, mut rest)| {
        rest.insert(0, kind);
        rest
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 50, ..ProptestConfig::default() })]

    #[test]
    fn any_client_is_survived(greeting in 0usize..=14, messages in prop::collection::vec(message(), 0..12)) {
        let (server, screen) = server(None);
        hostile(&server, greeting, &messages.concat());
        let start = Instant::now();
        screen.publish(|picture| picture.pixels[0] ^= 1);
        prop_assert!(start.elapsed() < Duration::from_secs(1), "the guest waited");
        is_well(&server);
    }

    #[test]
    fn nobody_gets_in_without_the_password(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let (server, _screen) = server(Some("secret"));
        let mut said = vec![2];
        said.extend(bytes);
        let heard = hostile(&server, 12, &said);
        prop_assert!(!heard.windows(4).any(|part| part == b"test"), "the screen's name is told");
    }
}

#[test]
fn clients_that_say_nothing_do_not_keep_others_waiting() {
    let (server, _screen) = server(None);
    let silent: Vec<_> = (0..10).map(|_| std::net::TcpStream::connect(server.address()).unwrap()).collect();
    is_well(&server);
    drop(silent);
    is_well(&server);
}
