/* Everything of the library leat::webrtc: WebRTC without I/O, as an SFU speaks it. It needs OpenSSL 3.0 and nothing
 * else of leat: no socket, no thread, no clock. protocols/webrtc/README.md says what is in which header. */
#ifndef LEAT_WEBRTC_H
#define LEAT_WEBRTC_H

#include <leat/codec.h>
#include <leat/dtls.h>
#include <leat/ice.h>
#include <leat/peer.h>
#include <leat/rtcp.h>
#include <leat/rtp.h>
#include <leat/rtp_receiver.h>
#include <leat/rtp_sender.h>
#include <leat/sdp.h>
#include <leat/srtp.h>
#include <leat/stun.h>

#endif
