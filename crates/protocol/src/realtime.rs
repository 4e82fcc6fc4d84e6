//! Spoken conversations.

use crate::methods::methods;

methods! {
    "thread/realtime/start" Experimental VendorOnly [thread];
    "thread/realtime/appendAudio" Experimental VendorOnly [thread];
    "thread/realtime/appendText" Experimental VendorOnly [thread];
    "thread/realtime/appendSpeech" Experimental VendorOnly [thread];
    "thread/realtime/stop" Experimental VendorOnly [thread];
    "thread/realtime/listVoices" Experimental VendorOnly [];
}
