use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd_of(text: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(text, 3).unwrap()
}

fn opened(bytes: &[u8]) -> Result<Bytes, DecodeError> {
    decode(Box::new(io::Cursor::new(bytes.to_vec())))
}

fn decoded(bytes: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    match opened(bytes) {
        Ok(mut reader) => reader.read_to_string(&mut text).map(|_| text),
        Err(DecodeError::Io(fault)) => Err(fault),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_packing_gives_the_same_text() {
    let text = "source_value\näöü\n".repeat(5_000);
    let bytes = text.as_bytes();
    let (head, tail) = bytes.split_at(1_234);
    let mut skippable = vec![0x53, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    skippable.extend(zstd_of(bytes));
    let packings = [
        ("plain", bytes.to_vec()),
        ("gzip", gzip(bytes)),
        ("gzip of two members", [gzip(head), gzip(tail)].concat()),
        ("zstd", zstd_of(bytes)),
        ("zstd of two frames", [zstd_of(head), zstd_of(tail)].concat()),
        ("zstd after a skippable frame", skippable),
    ];
    for (name, packed) in packings {
        assert!(decoded(&packed).unwrap() == text, "{name}");
    }
    assert_eq!(decoded(b"").unwrap(), "");
    assert_eq!(decoded(&gzip(b"")).unwrap(), "");
}

#[test]
fn byte_order_marks_go_and_nothing_else() {
    for packed in [b"\xef\xbb\xbfid".to_vec(), gzip(b"\xef\xbb\xbfid"), zstd_of(b"\xef\xbb\xbf\xef\xbb\xbfid")] {
        assert_eq!(decoded(&packed).unwrap(), "id");
    }
    assert_eq!(decoded(b"i\xef\xbb\xbfd").unwrap(), "i\u{feff}d");
    assert_eq!(decoded(b"\xef\xbb\xbf").unwrap(), "");
}

#[test]
fn utf16_is_told_with_and_without_mark() {
    let units: Vec<u16> = "source_value\n".encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let marked = [&b"\xff\xfe"[..], &little].concat();
    let marked_big = [&b"\xfe\xff"[..], &big].concat();
    for bytes in [&little, &big, &marked, &marked_big, &gzip(&marked)] {
        assert!(matches!(opened(bytes), Err(DecodeError::Utf16)));
    }
    assert!(opened(b"a\0bc").is_ok(), "a single NUL is a fault of its row");
}

#[test]
fn other_kinds_are_named() {
    let table: [(&[u8], &str); 4] = [
        (b"PK\x03\x04....", "a zip archive or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0....", "an old Excel workbook"),
        (b"\xfd7zXZ\0..", "compressed with xz"),
        (b"BZh91AY&SY", "compressed with bzip2"),
    ];
    for (bytes, name) in table {
        assert!(matches!(opened(bytes), Err(DecodeError::Unsupported(what)) if what == name), "{name}");
    }
}

#[test]
fn damage_is_told_in_a_sentence() {
    let text = b"destination_username,source_provider,source_value\n".repeat(2_000);
    // The next member is cut, too.
    let cut_member = [gzip(b"one"), gzip(&text)[..100].to_vec()].concat();
    let (packed, frames) = (gzip(&text), zstd_of(&text));
    for cut in [&packed[..packed.len() / 2], &packed[..packed.len() - 3], &frames[..frames.len() / 2], &cut_member] {
        let message = decoded(cut).unwrap_err().to_string();
        assert!(message.contains("data ends in the middle; the file was cut off"), "{message}");
    }
    let mut flipped = packed.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 0xff;
    let message = decoded(&flipped).unwrap_err().to_string();
    assert!(message.starts_with("the gzip data is damaged ("), "{message}");
}

#[test]
fn zeros_behind_gzip_are_padding_and_anything_else_is_damage() {
    let (first, second) = (gzip(b"one,"), gzip(b"two"));
    let zeros = |count: usize| vec![0; count];
    for count in [1, 7, 512, 10_240, 3 * crate::limits::READ_BUFFER_BYTES] {
        assert_eq!(decoded(&[first.clone(), second.clone(), zeros(count)].concat()).unwrap(), "one,two", "{count}");
    }
    let behind = [
        b"garbage".to_vec(),
        b"\x01".to_vec(),
        [zeros(512), b"x".to_vec()].concat(),
        [zeros(512), b"x".to_vec(), zeros(512)].concat(),
        // Data behind padding could be the rest of something whose middle is lost.
        [zeros(512), second.clone()].concat(),
        [second, b"x".to_vec()].concat(),
    ];
    for bytes in behind {
        let message = decoded(&[first.clone(), bytes].concat()).unwrap_err().to_string();
        assert!(message.starts_with("the gzip data is damaged ("), "{message}");
    }
}

#[test]
fn a_bomb_is_stopped() {
    let bounds = ExpansionBounds { free_bytes: 10_000, ratio_max: 100 };
    for (name, packed) in [("gzip", gzip(&vec![b'a'; 1_000_000])), ("zstd", zstd_of(&vec![b'a'; 1_000_000]))] {
        let mut reader = decode_within(Box::new(io::Cursor::new(packed)), bounds).unwrap();
        let fault = io::copy(&mut reader, &mut io::sink()).unwrap_err();
        assert!(fault.to_string().starts_with(&format!("the {name} data expands more than 100 times")), "{fault}");
    }
    let small = decode_within(Box::new(io::Cursor::new(gzip(&[b'a'; 9_000]))), bounds).unwrap();
    assert_eq!(io::copy(&mut { small }, &mut io::sink()).unwrap(), 9_000, "below the free bytes any ratio will do");
}

#[test]
fn a_window_that_needs_much_memory_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(ZSTD_WINDOW_LOG_MAX + 1).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(b"source_value\n").unwrap();
    let message = decoded(&encoder.finish().unwrap()).unwrap_err().to_string();
    assert!(message.starts_with("the zstd data is damaged (Frame requires too much memory"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any text comes out as it went in, however it is compressed and cut into members; a cut file is an error.
    #[test]
    fn compression_changes_nothing(text in "[a-z,\"\n\u{e9}]{2,300}", cut_at in any::<prop::sample::Index>()) {
        let bytes = text.as_bytes();
        let cut = cut_at.index(bytes.len());
        let (head, tail) = bytes.split_at(cut);
        for compressed in [bytes.to_vec(), [gzip(head), gzip(tail)].concat(), [zstd_of(head), zstd_of(tail)].concat()] {
            prop_assert_eq!(decoded(&compressed).unwrap(), text.clone());
        }
        let compressed = gzip(bytes);
        let cut = 3 + cut_at.index(compressed.len() - 3);
        prop_assert!(decoded(&compressed[..cut]).is_err());
    }

    /// UTF-16 of a header is detected with and without mark; UTF-8 of it never is.
    #[test]
    fn utf16_is_detected(text in "[a-z]{2}[a-z,\u{e9}]{0,20}", has_mark in any::<bool>()) {
        let text = if has_mark { format!("\u{feff}{text}") } else { text };
        for encode in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(encode).collect();
            prop_assert!(matches!(opened(&bytes), Err(DecodeError::Utf16)));
        }
        prop_assert_eq!(decoded(text.as_bytes()).unwrap(), text.trim_start_matches('\u{feff}'));
    }
}
