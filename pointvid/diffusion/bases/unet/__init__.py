"""The video UNet of I2VGen-XL and ModelScopeT2V, written once, and its extension to video + points."""
