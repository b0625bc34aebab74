"""What comes in by mail: replies become progress reports, bounces mark an address, strangers are shown to a person."""
