/* The numbers of RTCP packets and feedback formats (RFC 3550, RFC 4585, RFC 5104). */
#ifndef LEAT_PROTOCOLS_WEBRTC_RTCP_TYPES_H
#define LEAT_PROTOCOLS_WEBRTC_RTCP_TYPES_H

enum rtcp_type {
    RTCP_SR = 200,
    RTCP_RR,
    RTCP_SDES,
    RTCP_BYE,
    RTCP_APP,
    RTCP_RTPFB,
    RTCP_PSFB,
};
enum rtpfb_format { RTPFB_NACK = 1, RTPFB_TWCC = 15 };
enum psfb_format { PSFB_PLI = 1, PSFB_FIR = 4, PSFB_AFB = 15 };

#define REMB_NAME 0x52454d42u /* "REMB" */

#endif
