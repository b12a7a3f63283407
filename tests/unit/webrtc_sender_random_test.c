/* The sender among sources, losses and questions that seeds choose; webrtc_sender_model.h aborts
 * on what may not be. The fuzzer has the same model. */
#include "check.h"

#include "webrtc_sender_model.h"

TEST(webrtc_sender_random, seeds)
{
    static struct model model;
    uint64_t sent = 0, repeats = 0, filled = 0, changes = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        printf("seed %llu\n", (unsigned long long)seed); /* the last one is what failed */
        model_run(&model,
                  (struct model_choices){.len = 20000, .seed = seed * UINT64_C(0x9e3779b9)});
        sent += model.sent_count;
        repeats += model.repeat_count;
        filled += model.filled_count;
        changes += model.changes;
    }
    printf("%llu sent, %llu repeats, %llu gaps filled, %llu changes\n", (unsigned long long)sent,
           (unsigned long long)repeats, (unsigned long long)filled, (unsigned long long)changes);
    CHECK(sent > 10000); /* it is no idle walk */
    CHECK(repeats > 1000);
    CHECK(filled > 100);
    CHECK(changes > 100);
}
