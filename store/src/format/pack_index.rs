//! The index of a pack on the device: records in pages sorted by id, the order of the pack in more pages,
//! and a table of all pages, so that any object is found by reading one page (see `docs/store-format.md`).

use super::{
    codec::Reader,
    record::{RECORD, Record},
};
use crate::Error;
use gix_hash::ObjectId;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Records in a page.
pub(crate) const RECORDS: u32 = (PAGE / RECORD) as u32;
/// Bytes of an entry of the order: 6 of offset, 4 of the record's number.
const PLACE: usize = 10;
/// Entries of the order in a page.
pub(crate) const PLACES: u32 = (PAGE / PLACE) as u32;
/// Bytes of the table for each page.
const ROW: usize = 16;
/// Bytes at the end.
pub(crate) const FOOTER: usize = 40;
const MAGIC: &[u8; 8] = b"KPACKIDX";
/// The most tips and boundary objects that are kept.
pub(crate) const MAX_TIPS: usize = 64;

/// The end of an index: counts and checksum of the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    /// Objects of the pack.
    pub(crate) objects: u32,
    /// Tips and boundary before the footer.
    pub(crate) tips: u32,
    /// The pack's checksum.
    pub(crate) pack_checksum: ObjectId,
    /// [`Ends::packs`].
    pub(crate) packs: u32,
}

/// What a pack, or several packs that belong together, can be reached from.
///
/// The *tips* reach all objects of these packs (but for bases that a pack was completed with), and nothing
/// else but what the *boundary* reaches: objects outside of them, each of which the tips reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ends {
    /// Tips, which the packs have, and boundary, which they have not; none when they are not known.
    pub(crate) ids: Vec<ObjectId>,
    /// How many packs belong together: that many name the same ends.
    pub(crate) packs: u32,
}

impl Ends {
    /// The ends of one pack, if there are any, and not too many.
    pub(crate) fn of_one(ids: Vec<ObjectId>) -> Self {
        Self::of_several(ids, 1)
    }

    /// The ends of so many packs, if there are any, and not too many.
    pub(crate) fn of_several(ids: Vec<ObjectId>, packs: u32) -> Self {
        match ids.len() {
            1..=MAX_TIPS => Self { ids, packs },
            _ => Self::default(),
        }
    }
}

/// What is known of one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// XXH3-64 of the page.
    pub(crate) checksum: u64,
    /// Of a page of records the first eight bytes of its first id, of a page of the order its first offset.
    pub(crate) key: u64,
}

/// An entry of the order of the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the object's entry begins in the pack.
    pub(crate) offset: u64,
    /// The number of its record.
    pub(crate) record: u32,
}

/// The first eight bytes of an id, as a number that sorts as the id does.
pub(crate) fn id_key(id: &[u8]) -> u64 {
    id.first_chunk().map_or(0, |start| u64::from_be_bytes(*start))
}

impl Footer {
    /// Pages of records.
    pub(crate) fn record_pages(&self) -> u32 {
        self.objects.div_ceil(RECORDS)
    }

    /// Pages of records and of the order.
    pub(crate) fn pages(&self) -> u32 {
        self.record_pages() + self.objects.div_ceil(PLACES)
    }

    /// Bytes of the whole index.
    pub(crate) fn index_length(&self) -> u64 {
        u64::from(self.pages()) * (PAGE + ROW) as u64 + u64::from(self.tips) * 20 + FOOTER as u64
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.objects.to_le_bytes());
        out.extend_from_slice(&self.tips.to_le_bytes());
        out.extend_from_slice(self.pack_checksum.as_slice());
        out.extend_from_slice(&self.packs.to_le_bytes());
    }

    /// Reads the last [`FOOTER`] bytes of an index of so many bytes.
    pub(crate) fn decode(bytes: &[u8], index_length: u64) -> Option<Self> {
        let mut reader = Reader::new(bytes.strip_prefix(MAGIC)?);
        let footer = Self {
            objects: reader.u32().ok()?,
            tips: reader.u32().ok()?,
            pack_checksum: reader.id().ok()?,
            packs: reader.u32().ok()?,
        };
        (footer.index_length() == index_length).then_some(footer)
    }

    /// Reads what follows the pages.
    pub(crate) fn tail(&self, bytes: &[u8]) -> Result<(Vec<Row>, Ends), Error> {
        let mut reader = Reader::new(bytes);
        let mut rows = Vec::with_capacity(self.pages() as usize);
        for _ in 0..self.pages() {
            rows.push(Row { checksum: reader.u64()?, key: reader.u64()? });
        }
        let ids = (0..self.tips).map(|_| reader.id()).collect::<Result<_, _>>()?;
        Ok((rows, Ends { ids, packs: self.packs }))
    }
}

/// The record of a number in its page.
pub(crate) fn record(page: &[u8], number: u32) -> Result<Record, Error> {
    let at = (number % RECORDS) as usize * RECORD;
    let bytes = page.get(at..at + RECORD).ok_or_else(|| Error::Malformed("pack index page".into()))?;
    Record::decode(&mut Reader::new(bytes))
}

/// The id of the record of a number in its page; nothing where the page is too short.
pub(crate) fn id_at(page: &[u8], number: u32) -> &[u8] {
    let at = (number % RECORDS) as usize * RECORD;
    page.get(at..at + 20).unwrap_or_default()
}

/// The entry of the order at a position in its page.
pub(crate) fn place(page: &[u8], position: u32) -> Result<Place, Error> {
    let at = (position % PLACES) as usize * PLACE;
    let bytes: &[u8; PLACE] = page
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .ok_or_else(|| Error::Malformed("pack index page".into()))?;
    let [a, b, c, d, e, f, record @ ..] = *bytes;
    Ok(Place { offset: u64::from_le_bytes([a, b, c, d, e, f, 0, 0]), record: u32::from_le_bytes(record) })
}

fn count(objects: usize) -> Result<u32, Error> {
    u32::try_from(objects).map_err(|_| Error::Limit("objects in a pack".into()))
}

/// Bytes of the index of so many objects.
pub(crate) fn length(objects: usize, ends: &Ends) -> Result<u64, Error> {
    let pack_checksum = ObjectId::null(gix_hash::Kind::Sha1);
    let footer = Footer { objects: count(objects)?, tips: count(ends.ids.len())?, pack_checksum, packs: 0 };
    Ok(footer.index_length())
}

/// Writes the index of a pack, piece by piece and in order, and gives its length and checksum. Sorts
/// `records`, whose offsets are those in the pack.
///
/// Memory: 4 bytes a record.
pub(crate) fn write(
    records: &mut [Record],
    pack_checksum: &ObjectId,
    ends: &Ends,
    out: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(u64, u64), Error> {
    let footer = Footer {
        objects: count(records.len())?,
        tips: count(ends.ids.len())?,
        pack_checksum: *pack_checksum,
        packs: ends.packs,
    };
    records.sort_unstable_by(Record::by_id);
    let mut tail = Vec::with_capacity(footer.pages() as usize * ROW + ends.ids.len() * 20 + FOOTER);
    let mut page = Vec::with_capacity(PAGE);
    let mut end = |page: &mut Vec<u8>, key: u64, tail: &mut Vec<u8>| {
        page.resize(PAGE, 0);
        tail.extend_from_slice(&xxh3_64(page).to_le_bytes());
        tail.extend_from_slice(&key.to_le_bytes());
        out(page)?;
        page.clear();
        Ok::<_, Error>(())
    };
    for part in records.chunks(RECORDS as usize) {
        part.iter().for_each(|record| record.encode(&mut page));
        let key = part.first().map_or(0, |first| id_key(first.id_bytes()));
        end(&mut page, key, &mut tail)?;
    }
    let mut order: Vec<u32> = (0..footer.objects).collect();
    let offset = |number: &u32| records.get(*number as usize).map_or(0, Record::offset);
    order.sort_unstable_by_key(offset);
    for part in order.chunks(PLACES as usize) {
        for number in part {
            page.extend_from_slice(&offset(number).to_le_bytes()[..6]);
            page.extend_from_slice(&number.to_le_bytes());
        }
        end(&mut page, part.first().map_or(0, offset), &mut tail)?;
    }
    ends.ids.iter().for_each(|id| tail.extend_from_slice(id.as_slice()));
    footer.encode(&mut tail);
    out(&tail)?;
    Ok((footer.index_length(), xxh3_64(&tail)))
}

/// The checksum that [`write()`] gave, from what follows the pages.
pub(crate) fn checksum(tail: &[&[u8]]) -> u64 {
    let mut hasher = Xxh3::new();
    tail.iter().for_each(|part| hasher.update(part));
    hasher.digest()
}
