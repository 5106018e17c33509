//! Today's ends against recordings of an older peer (see `protocol/golden/older/README.md`).
//!
//! An older peer gets a working session: what it says is understood, and what it hears is what it
//! heard from its own kind, byte for byte. So no frame that it lacks can be among it.

mod shells;

use std::path::Path;

use crate::session::Session;
use crate::session::testing::stamp;
use crate::wire::codec::{self, Frame, PREFIX_BYTES};
use crate::wire::frame::{Freeze, features};
use crate::wire::{AgentFrame, HubFrame};

use shells::{Agent, Hub, STORIES, Story, introduces};

/// Frames that the first release knows: by their numbers, the first ones of each direction.
const FIRST_HUB_FRAMES: u8 = 9;
const FIRST_AGENT_FRAMES: u8 = 5;

/// Who said what, prefix included.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Hub(Vec<u8>),
    Agent(Vec<u8>),
    /// Nothing more was to be said, and time went on.
    Pause,
}

fn recording(name: &str) -> Vec<Said> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/older");
    let text = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let said = lines.map(|line| match line.split_once(' ') {
        Some(("hub", bytes)) => Said::Hub(unpack(bytes)),
        Some(("agent", bytes)) => Said::Agent(unpack(bytes)),
        None if line == "pause" => Said::Pause,
        _ => panic!("{line}"),
    });
    said.collect()
}

/// Hexadecimal, with runs of one byte as `xx*length`.
fn unpack(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in text.split('_') {
        match part.split_once('*') {
            Some((byte, times)) => {
                let byte = hex::decode(byte).unwrap();
                bytes.extend(byte.repeat(times.parse().unwrap()));
            }
            None => bytes.extend(hex::decode(part).unwrap()),
        }
    }
    bytes
}

fn decode<F: Frame>(bytes: &[u8]) -> F {
    codec::decode(&bytes[PREFIX_BYTES..]).unwrap()
}

/// Everything that an end has to say.
fn drain<S: Session>(session: &mut S) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| session.poll_transmit())
        .map(|frame| codec::encode(&frame).unwrap())
        .collect()
}

#[test]
fn a_hub_of_today_serves_an_older_agent() {
    for (name, story) in STORIES {
        let recorded = recording(name);
        let mut hub = Hub::new(story, features::ALL);
        // What it has to say beyond that stays unsaid.
        let lifted = Freeze {
            stamp: stamp(2),
            frozen: false,
            reason: String::new(),
            meta: Vec::new(),
        };
        hub.session.freeze(shells::T0, lifted);
        let (mut said, mut heard, mut pauses) = (Vec::new(), Vec::new(), 0);
        for line in recorded {
            hub.act();
            match line {
                Said::Hub(bytes) => heard.push(bytes),
                Said::Agent(bytes) => {
                    let frame: AgentFrame = decode(&bytes);
                    hub.session.handle_frame(shells::T0, frame).unwrap();
                }
                Said::Pause => {
                    hub.session.fetch(shells::T0, 1, Freeze::key());
                    hub.goes_on(pauses);
                    pauses += 1;
                }
            }
            hub.act();
            said.extend(drain(&mut hub.session));
            hub.act();
        }
        let known = |bytes: &Vec<u8>| bytes[PREFIX_BYTES] < FIRST_HUB_FRAMES;
        assert!(said.iter().all(known), "{name}: a frame that it lacks");
        assert_eq!(said, heard, "{name}");
    }
}

#[test]
fn an_agent_of_today_gets_on_with_an_older_hub() {
    for (name, story) in STORIES {
        let recorded = recording(name);
        let mut agent = Agent::new(introduces(story, features::ALL));
        let (mut said, mut heard) = (Vec::new(), Vec::new());
        for line in recorded {
            agent.act();
            said.extend(drain(&mut agent.session));
            match line {
                Said::Hub(bytes) => {
                    let frame: HubFrame = decode(&bytes);
                    agent.session.handle_frame(shells::T0, frame).unwrap();
                }
                Said::Agent(bytes) => heard.push(bytes),
                Said::Pause => agent.flush(),
            }
            agent.act();
            said.extend(drain(&mut agent.session));
        }
        let known = |bytes: &Vec<u8>| bytes[PREFIX_BYTES] < FIRST_AGENT_FRAMES;
        assert!(said.iter().all(known), "{name}: a frame that it lacks");
        // What it offers is more than it was; an older hub cuts that to what both have.
        let AgentFrame::Hello(hello) = decode(&said[0]) else {
            panic!("{name}: no hello")
        };
        assert_eq!(hello, introduces(story, features::ALL));
        assert_eq!(said[1..], heard[1..], "{name}");
        let expected: &[(&str, usize)] = match story {
            Story::Compare => &[
                ("change", 7),
                ("compared", 1),
                ("restarting", 1),
                ("synced", 1),
                ("welcomed", 1),
            ],
            Story::Resume => &[
                ("change", 5),
                ("restarting", 1),
                ("synced", 2),
                ("welcomed", 1),
            ],
            Story::Refused => &[("closed", 1)],
        };
        let heard: Vec<_> = agent.heard.into_iter().collect();
        assert_eq!(heard, expected, "{name}");
    }
}

/// The recorder, kept so that a later release can be recorded the same way.
#[test]
fn a_recording_is_what_two_ends_that_share_its_features_say() {
    for (name, story) in STORIES {
        assert_eq!(record(story), recording(name), "{name}");
    }
}

/// Two ends that know only the first release's frames talk until nothing is left to say.
fn record(story: Story) -> Vec<Said> {
    let mut hub = Hub::new(story, 0);
    let mut agent = Agent::new(introduces(story, 0));
    let mut lines = Vec::new();
    for step in 0..4 {
        loop {
            agent.act();
            hub.act();
            let before = lines.len();
            for bytes in drain(&mut agent.session) {
                let frame = decode(&bytes);
                lines.push(Said::Agent(bytes));
                hub.session.handle_frame(shells::T0, frame).unwrap();
                hub.act();
            }
            if let Some(frame) = hub.session.poll_transmit() {
                lines.push(Said::Hub(codec::encode(&frame).unwrap()));
                agent.session.handle_frame(shells::T0, frame).unwrap();
            }
            if lines.len() == before {
                break;
            }
        }
        lines.push(Said::Pause);
        agent.flush();
        hub.goes_on(step);
    }
    lines
}
