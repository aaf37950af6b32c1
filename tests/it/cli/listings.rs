//! Listings are as long as the store, and a reader may leave.

use super::program::Program;
use crate::support::database::{self, master};
use gatewright::crypto::Entropy;
use gatewright::crypto::password::{HashSettings, PasswordHasher};
use gatewright::domain::client::GrantType;
use gatewright::flows::admin::{Admin, ClientChange, clients, users};
use std::process::{Command, Stdio};

const MANY: usize = 450;

/// More clients and users than a page of the database has.
async fn crowded() -> Program {
    let program = Program::sqlite();
    program.run(&["migrate"]).succeeds();
    let store = program.store().await;
    let entropy = Entropy::system();
    let costs = HashSettings {
        memory_kib: 8192,
        iterations: 1,
        parallelism: 1,
        slots: 1,
        queue: 1,
    };
    let passwords = PasswordHasher::new(costs, entropy.clone()).unwrap();
    let master = master();
    let admin = Admin {
        store: &store,
        master: &master,
        entropy: &entropy,
        passwords: &passwords,
        events: &database::events(&entropy),
        actor: "test",
    };
    let change = ClientChange {
        grants: Some(vec![GrantType::ClientCredentials]),
        ..ClientChange::default()
    };
    for number in 0..MANY {
        clients::create(admin, &format!("client-{number}"), &change, None, 1)
            .await
            .unwrap();
        let user = users::NewUser {
            username: format!("user-{number}"),
            ..users::NewUser::default()
        };
        users::create(admin, user, 1).await.unwrap();
    }
    store.close().await;
    program
}

#[tokio::test]
async fn a_listing_goes_through_every_page_and_a_reader_may_leave() {
    let program = crowded().await;
    for (what, member) in [("client", "clients"), ("user", "users")] {
        let listed = program.run(&[what, "list", "--json"]).json();
        assert_eq!(listed[member].as_array().unwrap().len(), MANY);
        assert_eq!(
            program.run(&[what, "list"]).succeeds().lines().count(),
            MANY + 1
        );

        let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .env_clear()
            .envs(&program.env)
            .args([what, "list", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{output:?}"
        );
    }
}
