/* The whole of leat in one include. Each header also stands alone. */
#ifndef LEAT_LEAT_H
#define LEAT_LEAT_H

#include <leat/actor.h>
#include <leat/addr.h>
#include <leat/buf.h>
#include <leat/channel.h>
#include <leat/runtime.h>
#include <leat/tun.h>
#include <leat/types.h>
#include <leat/version.h>

#endif
