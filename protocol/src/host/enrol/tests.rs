//! Tokens and frames: what survives, what is refused, and what must never change.

use proptest::prelude::*;

use super::*;
use crate::host::tls::Pin;

fn token() -> JoinToken {
    JoinToken {
        addresses: vec!["hub.example:7443".to_owned(), "10.0.0.1:7443".to_owned()],
        pins: vec![Pin([7; 32])],
        id: "0123456789abcdef".to_owned(),
        secret: TokenSecret([9; 32]),
        namespace: "default".to_owned(),
        name: "prod".to_owned(),
    }
}

fn check(text: &str, expected: Result<JoinToken, TokenError>) {
    assert_eq!(text.parse::<JoinToken>(), expected, "{text}");
}

#[test]
fn a_token_survives_its_text_and_the_white_space_around_it() {
    let text = token().encode().unwrap();
    assert!(text.starts_with("rs1."));
    check(&text, Ok(token()));
    check(&format!("  {text}\n"), Ok(token()));
}

#[test]
fn what_is_no_token_is_told_apart() {
    let text = token().encode().unwrap();
    check("", Err(TokenError::NotAToken));
    check("eyJhbGciOi", Err(TokenError::NotAToken));
    check("rs2.AAAA", Err(TokenError::Newer));
    check("rsx.AAAA", Err(TokenError::NotAToken));
    check("rs1.", Err(TokenError::Damaged));
    check("rs1.!!!", Err(TokenError::Damaged));
    check(
        text.get(..text.len() - 3).unwrap(),
        Err(TokenError::Damaged),
    );
    check(&format!("{text}AA"), Err(TokenError::Damaged));
    check(&"r".repeat(TOKEN_TEXT_MAX + 1), Err(TokenError::TooLong));
}

#[test]
fn a_token_that_says_nothing_useful_is_not_made() {
    let nowhere = JoinToken {
        addresses: Vec::new(),
        ..token()
    };
    assert_eq!(
        nowhere.encode(),
        Err(TokenError::Unusable("it names no address"))
    );
    let anyone = JoinToken {
        pins: Vec::new(),
        ..token()
    };
    assert_eq!(
        anyone.encode(),
        Err(TokenError::Unusable("it pins no authority"))
    );
}

#[test]
fn a_secret_is_not_shown_by_accident() {
    assert!(format!("{:?}", token()).contains("TokenSecret(..)"));
}

#[test]
fn a_refusal_is_cut_between_characters() {
    let refusal = Refusal::new(RefusalCode::Used, "é".repeat(1000));
    assert_eq!(
        refusal.message.len(),
        crate::wire::limits::MESSAGE_BYTES_MAX
    );
    let short = Refusal::new(RefusalCode::Used, "used");
    assert_eq!(short.message, "used");
}

/// The frames and the token of the first release. A difference here means that released agents and
/// hubs no longer understand each other: append, never change.
#[test]
fn golden_samples_never_change() {
    let request = Request::Enrol(EnrolRequest {
        release: "0.1.0".to_owned(),
        token: "0123456789abcdef".to_owned(),
        secret: TokenSecret([9; 32]),
        request: vec![0x30, 0x03],
        member_uid: "m".to_owned(),
    });
    let granted = Answer::Granted(Granted {
        hub: "h".to_owned(),
        cluster: "c".to_owned(),
        chain: vec![vec![1, 2]],
        authorities: vec![vec![3]],
        addresses: vec!["a:1".to_owned()],
    });
    let said = |code| frames::encode(&Answer::Refused(Refusal::new(code, "no"))).unwrap();
    let asked = concat!(
        "0000003d",
        "00",
        "05302e312e30",
        "1030313233343536373839616263646566",
        "0909090909090909090909090909090909090909090909090909090909090909",
        "023003",
        "016d",
    );
    let renew = Request::Renew(RenewRequest {
        release: "0.1.0".to_owned(),
        certificate: vec![0x30, 0x02],
        request: vec![0x30, 0x03],
        proof: vec![5; 3],
    });
    let renewed = concat!(
        "00000011",
        "01",
        "05302e312e30",
        "023002",
        "023003",
        "03050505"
    );
    let answered = "000000110001680163010201020101030103613a31".to_owned();
    let cases = [
        (frames::encode(&request).unwrap(), asked.to_owned()),
        (frames::encode(&renew).unwrap(), renewed.to_owned()),
        (frames::encode(&granted).unwrap(), answered),
        (said(RefusalCode::Used), "000000050100026e6f".to_owned()),
        (said(RefusalCode::Expired), "000000050101026e6f".to_owned()),
        (said(RefusalCode::Unknown), "000000050102026e6f".to_owned()),
        (said(RefusalCode::Detached), "000000050103026e6f".to_owned()),
        (
            said(RefusalCode::Malformed),
            "000000050104026e6f".to_owned(),
        ),
        (
            said(RefusalCode::Unsupported),
            "000000050105026e6f".to_owned(),
        ),
        (
            said(RefusalCode::Unavailable),
            "000000050106026e6f".to_owned(),
        ),
    ];
    for (bytes, golden) in cases {
        assert_eq!(hex::encode(&bytes), golden);
    }
    let golden = concat!(
        "rs1.AhBodWIuZXhhbXBsZTo3NDQzDTEwLjAuMC4xOjc0NDMBBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
        "QMDEyMzQ1Njc4OWFiY2RlZgkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJB2RlZmF1bHQEcHJvZA1-pEM",
    );
    assert_eq!(token().encode().unwrap(), golden);
}

#[test]
fn what_is_no_frame_decodes_to_nothing() {
    assert_eq!(frames::decode::<Request>(&[]), None);
    assert_eq!(frames::decode::<Request>(&[1]), None);
    let granted = frames::encode(&Answer::Refused(Refusal::new(RefusalCode::Used, ""))).unwrap();
    assert!(frames::decode::<Answer>(&granted[4..]).is_some());
    assert_eq!(
        frames::decode::<Answer>(&[&granted[4..], &[0]].concat()),
        None
    );
}

proptest! {
    #[test]
    fn any_text_is_a_token_or_an_error(text in "(rs1\\.)?[A-Za-z0-9_-]{0,200}") {
        drop(text.parse::<JoinToken>());
    }

    #[test]
    fn one_changed_character_is_noticed(at in 4_usize..100, to in "[A-Za-z0-9_-]") {
        let text = token().encode().unwrap();
        let mut changed = text.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != text);
        prop_assert_eq!(changed.parse::<JoinToken>(), Err(TokenError::Damaged));
    }

    #[test]
    fn any_bytes_are_a_frame_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(frames::decode::<Request>(&bytes));
        drop(frames::decode::<Answer>(&bytes));
    }
}
