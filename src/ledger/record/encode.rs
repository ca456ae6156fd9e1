//! Records to lines, with the members of each kind in one fixed order.

use super::plain::plain_bytes;
use super::{
    FORMAT_VERSION, Header, Intent, InvalidRow, Record, RunEnd, RunStart, Settlement, UnlinkEnd, UnlinkSettlement,
    Withdrawal,
};
use crate::clock::UnixMs;
use crate::domain::row::RowKey;

/// Appends the record and its `\n`.
pub fn encode(record: &Record<'_>, out: &mut Vec<u8>) {
    let mut line = Line { out };
    match record {
        Record::Header(header) => line.header(header),
        Record::RunStart(start) => line.run_start(start),
        Record::RunEnd(end) => line.run_end(end),
        Record::Intent(intent) => line.intent("{\"do\":\"link\",\"key\":", intent),
        Record::Unlink(intent) => line.intent("{\"do\":\"unlink\",\"key\":", intent),
        Record::UnlinkSettlement(settlement) => line.unlink_settlement(settlement),
        Record::Withdrawal(withdrawal) => line.withdrawal(*withdrawal),
        Record::Settlement(settlement) => line.settlement(settlement),
        Record::Invalid(invalid) => line.invalid(invalid),
    }
    out.extend_from_slice(b"}\n");
}

struct Line<'a> {
    out: &'a mut Vec<u8>,
}

// Names are given with the punctuation around them: they are constants, so nothing is put together at run time.
impl Line<'_> {
    fn header(&mut self, header: &Header) {
        self.number("{\"cognito_link_ledger\":", FORMAT_VERSION);
        self.text(",\"pool\":", header.binding.pool.as_str());
        self.flag(",\"simulated\":", header.binding.simulated);
        self.time(",\"created\":", header.created);
        self.text(",\"tool\":", &header.tool);
    }

    fn run_start(&mut self, start: &RunStart) {
        self.text("{\"run\":", &start.run.to_string());
        self.text(",\"command\":", &start.command);
        self.text(",\"input\":", &start.input);
        self.time(",\"t\":", start.at);
        self.text(",\"tool\":", &start.tool);
        if let Some(limit) = &start.limit {
            self.number(",\"limit_milli\":", limit.milli);
            self.text(",\"limit_from\":", &limit.from);
        }
        if let Some(shard) = start.shard {
            self.text(",\"shard\":", &shard.to_string());
        }
    }

    fn run_end(&mut self, end: &RunEnd) {
        self.text("{\"end\":", &end.run.to_string());
        self.time(",\"t\":", end.at);
        self.text(",\"ended\":", end.ended.as_str());
        let counts = &end.counts;
        for (name, count) in [
            (",\"read\":", counts.read),
            (",\"linked\":", counts.linked),
            (",\"already_linked\":", counts.already_linked),
            (",\"refused\":", counts.refused),
            (",\"failed\":", counts.failed),
            (",\"in_doubt\":", counts.in_doubt),
            (",\"invalid\":", counts.invalid),
            (",\"unprocessed\":", counts.unprocessed),
            (",\"skipped\":", counts.skipped),
            (",\"repeated\":", counts.repeated),
            (",\"writes\":", end.writes),
            (",\"reads\":", end.reads),
            (",\"throttled\":", end.throttled),
        ] {
            self.number(name, count);
        }
        if let Some(milli) = end.pace_milli {
            self.number(",\"pace_milli\":", milli);
        }
    }

    fn intent(&mut self, start: &str, intent: &Intent<'_>) {
        self.key(start, intent.key);
        self.number(",\"row\":", intent.row.0);
        self.time(",\"t\":", intent.at);
        self.text(",\"dp\":", &intent.destination_provider);
        self.text(",\"dv\":", intent.destination_value.expose());
        self.text(",\"sp\":", &intent.source_provider);
        self.text(",\"sa\":", &intent.source_attribute);
        self.text(",\"sv\":", intent.source_value.expose());
    }

    fn withdrawal(&mut self, withdrawal: Withdrawal) {
        self.key("{\"withdrawn\":", withdrawal.key);
        self.number(",\"row\":", withdrawal.row.0);
        self.time(",\"t\":", withdrawal.at);
    }

    fn settlement(&mut self, settlement: &Settlement<'_>) {
        self.key("{\"key\":", settlement.key);
        self.number(",\"row\":", settlement.row.0);
        self.text(",\"state\":", settlement.state.as_str());
        self.time(",\"t\":", settlement.at);
        self.number(",\"n\":", u64::from(settlement.attempts));
        if let Some(id) = &settlement.request_id {
            self.text(",\"id\":", id);
        }
        if let Some(code) = settlement.state.refusal() {
            self.text(",\"code\":", code.as_str());
        }
        if settlement.recovered {
            self.flag(",\"recovered\":", true);
        }
        if let Some((code, message)) = &settlement.said {
            self.text(",\"said\":", code);
            self.text(",\"message\":", message.expose());
        }
    }

    fn unlink_settlement(&mut self, settlement: &UnlinkSettlement<'_>) {
        self.key("{\"unlink\":", settlement.key);
        self.number(",\"row\":", settlement.row.0);
        self.text(",\"undo\":", settlement.ended.as_str());
        self.time(",\"t\":", settlement.at);
        self.number(",\"n\":", u64::from(settlement.attempts));
        if let Some(id) = &settlement.request_id {
            self.text(",\"id\":", id);
        }
        if let UnlinkEnd::Refused(code) = settlement.ended {
            self.text(",\"code\":", code.as_str());
        }
        if let Some((code, message)) = &settlement.said {
            self.text(",\"said\":", code);
            self.text(",\"message\":", message.expose());
        }
    }

    fn invalid(&mut self, invalid: &InvalidRow<'_>) {
        self.text("{\"invalid\":", invalid.code.as_str());
        self.number(",\"row\":", invalid.row.0);
        self.number(",\"line\":", invalid.line);
        self.number(",\"field\":", u64::from(invalid.field));
        self.text(",\"column\":", &invalid.column);
        self.time(",\"t\":", invalid.at);
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.raw(name);
        self.raw(if value { "true" } else { "false" });
    }

    fn key(&mut self, name: &str, key: RowKey) {
        self.raw(name);
        self.out.push(b'"');
        self.out.extend_from_slice(&key.to_hex());
        self.out.push(b'"');
    }

    fn time(&mut self, name: &str, value: UnixMs) {
        self.raw(name);
        if value < 0 {
            self.out.push(b'-');
        }
        self.number("", value.unsigned_abs());
    }

    fn number(&mut self, name: &str, mut value: u64) {
        self.raw(name);
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&digits[first..]);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.raw(name);
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        loop {
            let (plain, special) = rest.split_at(plain_bytes(rest));
            self.out.extend_from_slice(plain);
            let Some((special, after)) = special.split_first() else { break };
            match special {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                control => self.raw(&format!("\\u{control:04x}")),
            }
            rest = after;
        }
        self.out.push(b'"');
    }
}
