/* What credentials look like on the wire, for the gate and the agent. */
#ifndef LEAT_PROTOCOLS_WEBRTC_ICE_CREDENTIALS_H
#define LEAT_PROTOCOLS_WEBRTC_ICE_CREDENTIALS_H

#include <leat/ice.h>
#include <leat/stun.h>

/* Whether leat_ice_credentials_set would give such ones. */
bool leat__ice_credentials_valid(const struct leat_ice_credentials *credentials);

/* The receiver's part of USERNAME: what stands before the first ':', not empty. False: none. */
bool leat__ice_username_local(const struct leat_stun_message *message, const char **ret_ufrag,
                              size_t *ret_len);

#endif
