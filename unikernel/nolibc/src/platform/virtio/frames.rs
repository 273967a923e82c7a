//! The network interface (virtio-net).

use super::{dma::GuestMemory, transport::DeviceTransport};
use crate::{
    one_thread::OneThread,
    platform::{Attached, Frames},
};
use std::{cell::RefCell, rc::Rc};
use virtio_drivers::device::net::VirtIONetRaw;

/// Frames in each direction that the device can hold.
const QUEUE: usize = 64;
/// Ethernet without jumbo frames: no larger size is negotiated.
const MTU: usize = 1500;
/// Room for a frame with a VLAN tag, and for the header that virtio puts before it.
const BUFFER: usize = 12 + 14 + 4 + MTU;

type Driver = VirtIONetRaw<GuestMemory, DeviceTransport, QUEUE>;
type Buffer = Box<[u8; BUFFER]>;

/// A virtio network interface.
pub struct VirtioFrames {
    driver: Rc<RefCell<Driver>>,
    /// Buffers that the device fills, by the token of their request.
    receiving: [Option<Buffer>; QUEUE],
    /// Buffers that the device sends, with the bytes in use, by token.
    sending: [Option<(Buffer, usize)>; QUEUE],
    spare: Vec<Buffer>,
}

/// The interface that can end a wait.
static WAITED_FOR: OneThread<RefCell<Option<Rc<RefCell<Driver>>>>> = OneThread::new(RefCell::new(None));

/// Takes the interface's interrupt back; says whether a frame is there.
pub(super) fn take_interrupt() -> bool {
    match &*WAITED_FOR.borrow() {
        Some(driver) => {
            let mut driver = driver.borrow_mut();
            driver.ack_interrupt();
            driver.poll_receive().is_some()
        }
        None => false,
    }
}

impl VirtioFrames {
    pub(super) fn new(transport: DeviceTransport) -> Attached<Self> {
        let driver = Driver::new(transport).map_err(|error| error.to_string())?;
        let mut frames = Self {
            driver: Rc::new(RefCell::new(driver)),
            receiving: [const { None }; QUEUE],
            sending: [const { None }; QUEUE],
            spare: Vec::new(),
        };
        for _ in 0..QUEUE {
            frames.offer(Box::new([0; BUFFER])).ok_or("it takes no buffers")?;
        }
        frames.driver.borrow_mut().enable_interrupts();
        WAITED_FOR.replace(Some(frames.driver.clone()));
        Ok(frames)
    }

    /// Gives the device a buffer to fill.
    fn offer(&mut self, mut buffer: Buffer) -> Option<()> {
        // SAFETY: the buffer is kept, untouched, until the device has given it back.
        let token = unsafe { self.driver.borrow_mut().receive_begin(&mut buffer[..]) }.ok()?;
        *self.receiving.get_mut(usize::from(token))? = Some(buffer);
        Some(())
    }

    /// Takes back what the device has sent.
    fn reap(&mut self) {
        let mut driver = self.driver.borrow_mut();
        while let Some(token) = driver.poll_transmit() {
            let sent = self.sending.get_mut(usize::from(token)).and_then(Option::take);
            let Some((buffer, length)) = sent else { return };
            // SAFETY: the buffer is that of the request with this token.
            if unsafe { driver.transmit_complete(token, &buffer[..length]) }.is_err() {
                return;
            }
            self.spare.push(buffer);
        }
    }
}

impl Frames for VirtioFrames {
    fn mac(&self) -> [u8; 6] {
        self.driver.borrow().mac_address()
    }

    fn mtu(&self) -> usize {
        MTU
    }

    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        loop {
            let token = self.driver.borrow().poll_receive()?;
            let mut buffer = self.receiving.get_mut(usize::from(token))?.take()?;
            // SAFETY: the buffer is that of the request with this token.
            let taken = unsafe { self.driver.borrow_mut().receive_complete(token, &mut buffer[..]) };
            let length = taken.ok().and_then(|(header, length)| {
                let bytes = buffer.get(header..header + length)?;
                frame.get_mut(..length)?.copy_from_slice(bytes);
                Some(length)
            });
            self.offer(buffer)?;
            // A frame that does not fit is lost, and the next one may.
            if length.is_some() {
                return length;
            }
        }
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.reap();
        let mut driver = self.driver.borrow_mut();
        if !driver.can_send() {
            return false;
        }
        let mut buffer = self.spare.pop().unwrap_or_else(|| Box::new([0; BUFFER]));
        let Ok(header) = driver.fill_buffer_header(&mut buffer[..]) else { return true };
        let length = header + frame.len();
        match buffer.get_mut(header..length) {
            Some(place) => place.copy_from_slice(frame),
            // Longer than the MTU says: lost, as on a wire.
            None => return true,
        }
        // SAFETY: the buffer is kept, untouched, until the device has given it back.
        match unsafe { driver.transmit_begin(&buffer[..length]) } {
            Ok(token) => {
                if let Some(place) = self.sending.get_mut(usize::from(token)) {
                    *place = Some((buffer, length));
                }
                true
            }
            Err(_) => false,
        }
    }
}
