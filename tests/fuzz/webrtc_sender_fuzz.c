/* Whatever sources, losses, switches and questions there are: webrtc_sender_model.h says what
 * must hold. */
#include "webrtc_sender_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model model;
    if (size <= 16384) {
        model_run(&model, (struct model_choices){.data = data, .len = size});
    }
    return 0;
}
