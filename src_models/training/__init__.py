"""Images in, a trained model out.

`trainer` is the front door (`Trainer`, as in ISR). `settings` holds every choice, `settings_file`
reads them from TOML. `sources` lists images, `collect` checks and pairs them, `alignment`
registers pairs, `image` and `image_set` hold them, `patches` and `batches` draw from them. `step`
is one optimiser step, with the `losses`; `run` is one training in one folder, with `callbacks`,
`checkpoints` and `validation`. `events` are what is reported.
"""
