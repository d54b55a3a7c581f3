# The addon for tools that expect node-gyp; CMakeLists.txt is the build that we use. Both read native/sources.txt, and
# both ask scripts/native-dependencies.mjs where librdkafka and the headers are. CI builds this one and loads it.
{
  'targets': [
    {
      'target_name': 'laneway',
      'sources': ['<!@(node scripts/native-dependencies.mjs sources)'],
      'include_dirs': ['native', '<!@(node scripts/native-dependencies.mjs include-dirs)'],
      'libraries': ['<!@(node scripts/native-dependencies.mjs libraries)'],
      'defines': [
        'NAPI_VERSION=9',
        'NAPI_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
        'NDEBUG',
      ],
      'cflags': ['-O2', '-g1', '-fvisibility=hidden', '-fno-omit-frame-pointer'],
      'cflags_cc': ['-std=c++20', '-fvisibility-inlines-hidden', '-fexceptions', '-frtti'],
      'cflags_cc!': ['-std=gnu++14', '-std=gnu++17', '-std=gnu++20', '-fno-exceptions', '-fno-rtti'],
      'conditions': [
        [
          'OS == "linux"',
          {
            'ldflags': [
              '-Wl,--exclude-libs,ALL',
              '-Wl,-Bsymbolic',
              '-Wl,-z,nodelete',
              '-Wl,-z,now',
              '-Wl,--gc-sections',
              '-static-libstdc++',
              '-static-libgcc',
            ],
          },
        ],
        [
          'OS == "mac"',
          {
            'xcode_settings': {
              'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
              'CLANG_CXX_LIBRARY': 'libc++',
              'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
              'GCC_ENABLE_CPP_RTTI': 'YES',
              'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
              'MACOSX_DEPLOYMENT_TARGET': '13.3',
            },
          },
        ],
      ],
    },
  ],
}
